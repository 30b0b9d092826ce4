"""Write marks for people and for gradebooks, and the course that students get."""
